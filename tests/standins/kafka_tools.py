"""Kafka's own command line tools, on the Java and the jars of the embedded broker and the one jar that those lack."""

import shlex
from pathlib import Path

from postroom_local.jars import Program, fetched, jars_of
from postroom_local.java import java_command

TOOLS = Program(
    "kafka-tools",
    ("org.apache.kafka:kafka-tools:4.1.0",),
    {"kafka-tools-4.1.0.jar": "1c2836cee57a947d2db461410ac5008ca80facbd19b7ed9d284ca883782ea741"},
)
MAIN = {"kafka-acls.sh": "org.apache.kafka.tools.AclCommand"}


def install(folder: Path) -> Path:
    """Write the tools into `folder` under the names that Kafka's archive gives them, and return it: a part of PATH.

    Each notes its arguments, one call a line, in the file `called` beside it.
    """
    jars = [*jars_of("kafka"), *fetched(TOOLS)]
    for name, main in MAIN.items():
        java = java_command(jars, [main], heap_mib=128, full_jit=False)
        tool = folder / name
        tool.write_text(f'#!/bin/sh\nprintf \'%s\\n\' "$*" >>{folder}/called\nexec {shlex.join(java)} "$@"\n')
        tool.chmod(0o755)
    return folder
