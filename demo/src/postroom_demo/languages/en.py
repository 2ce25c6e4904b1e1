"""English."""

from postroom_demo.languages.base import Language

ENGLISH = Language(
    code="en",
    greetings=("Hello,", "Hi there,", "Good morning,", "Dear team,"),
    closings=("Kind regards", "Best wishes", "Thanks in advance", "Cheers"),
    requests={
        "support": (
            (
                "Gears slip on my {model}",
                (
                    "since last week the gears of my {model} slip whenever I pedal uphill. I have already cleaned the "
                    "{part}, but nothing changed. Order number was {order}.\n\nCan I bring it in within the next {days} days?"
                ),
            ),
            (
                "Brake squeals ({order})",
                (
                    "the rear brake of the {model} squeals so loudly that people turn around. It has done about {days}00 "
                    "kilometres. Is that normal, or does the {part} need replacing?"
                ),
            ),
            (
                "Warranty: {part} broke",
                (
                    "the {part} of my {model} broke yesterday after only {days} weeks. I did not crash and always had it "
                    "serviced with you. The order was {order}.\n\nDoes the warranty cover this?"
                ),
            ),
            (
                "App does not find my {model}",
                (
                    "I updated your app this morning and now it cannot find my {model} any more. I tried:\n\n"
                    "- turning Bluetooth off and on\n- restarting the phone\n- swearing\n\nWhat else can I do?"
                ),
            ),
        ),
        "sales": (
            (
                "Which size for the {model}?",
                (
                    "I would like to buy a {model} for my daughter. She is 1.62 m tall. Which frame size do you recommend, "
                    "and could you deliver within {days} days?"
                ),
            ),
            (
                "Quote for {days} bikes",
                (
                    "we are a small courier company and look for {days} bikes of the type {model}. Could you send us a quote "
                    "including servicing for two years?"
                ),
            ),
            (
                "Is the {part} in stock?",
                (
                    "your website says that the {part} for the {model} is not available. When do you expect the next "
                    "delivery? I need it in about {days} days."
                ),
            ),
        ),
        "billing": (
            (
                "Invoice for {order}",
                "I cannot find the invoice for order {order}. Could you send it again, please, with our company name on it?",
            ),
            (
                "Charged twice",
                "my card was charged twice for {order}, on two days in a row. Please return one of the payments.",
            ),
        ),
    },
    parts=("derailleur", "brake pad", "crank", "saddle clamp", "chain"),
    answers=(
        (
            "Hello {customer},\n\nthank you for writing. Please bring it by any day before 6 pm, we will have a look at it "
            "while you wait. If we need a part, it is usually here the next morning."
        ),
        (
            "Hi {customer},\n\nthat should not happen, sorry about it. I have put the part aside for you and noted it in your "
            "order. You need not do anything else."
        ),
        (
            "Dear {customer},\n\nI have checked it: everything is prepared, and you will get a confirmation today. Just answer "
            "this mail if anything is unclear."
        ),
    ),
    thanks=("Perfect, thank you very much!", "Great, that was quick. Thanks!", "Thanks, that helps a lot."),
    more=(
        "Thank you. One more question: could a friend pick it up instead of me?",
        "Thanks for the quick answer. Does Thursday work for you as well?",
        "Good to know. How much would that cost, roughly?",
    ),
    reminders=(
        "I just wanted to ask whether you have had time to look at this.",
        "One thing that I forgot: my phone number is 020 7946 0958.",
    ),
    attached="I have attached a file so that you can see what I mean.",
    absence_subject="Automatic reply: {subject}",
    absence="Thank you for your mail. I am out of the office until Monday and will read it then.",
    reply_prefix="Re",
    weekdays=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    months=("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    gmail="On {weekday}, {month} {day}, {year} at {time}, {name} <{address}> wrote:",
    apple="On {day}. {month} {year}, at {time}, {name} <{address}> wrote:",
    outlook=("From:", "Sent:", "To:", "Subject:"),
    outlook_date="{weekday} {day} {month} {year} {time}",
    clock="%H:%M",
    words=frozenset(
        [
            "the",
            "and",
            "of",
            "is",
            "with",
            "my",
            "not",
            "have",
            "you",
            "that",
            "would",
            "can",
            "thanks",
            "hello",
            "please",
            "your",
            "could",
        ]
    ),
)
