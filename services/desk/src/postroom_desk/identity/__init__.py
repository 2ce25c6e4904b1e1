"""Who a person is: passwords, sessions, links, second factor, single sign-on, tokens."""
