"""`python -m tallybook` is the command `tallybook`."""

from tallybook.cli import main

if __name__ == "__main__":
    main()
