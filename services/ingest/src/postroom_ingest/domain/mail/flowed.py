"""format=flowed text back to paragraphs. Source: RFC 3676 sections 4.1 to 4.5."""


def unflow(text: str, *, delete_space: bool) -> str:
    """Return the text with flowed lines of one quote depth joined; `delete_space` is the parameter DelSp=yes."""
    out: list[str] = []
    pending, pending_depth, open_ = "", 0, False
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        is_signature = content == "-- "
        if open_ and (depth != pending_depth or is_signature):
            out.append(_quoted(pending_depth, pending))
            pending, open_ = "", False
        flows = content.endswith(" ") and not is_signature
        pending += content[:-1] if flows and delete_space else content
        pending_depth, open_ = depth, flows
        if not flows:
            out.append(_quoted(depth, pending))
            pending = ""
    if open_:
        out.append(_quoted(pending_depth, pending))
    return "\n".join(out)


def _quoted(depth: int, content: str) -> str:
    return f"{'>' * depth} {content}" if depth else content
