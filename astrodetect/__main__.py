"""``python -m astrodetect`` is the command ``astrodetect``."""

from astrodetect.cli import main

if __name__ == "__main__":
    main()
