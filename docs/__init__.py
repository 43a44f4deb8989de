"""The site: its pages, and the programs that build it and run what the pages show."""
