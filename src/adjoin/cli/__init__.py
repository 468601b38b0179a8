"""The command `adjoin`: one file a command, no logic of its own."""


def main() -> None:
    """The console script's entry."""
    from adjoin.cli.app import run

    run()
