"""`python -m gyrocompass` is `gyro`."""

from .cli import main

if __name__ == "__main__":
    main()
