"""Hidden states from recordings, by estimators that know the column or its statistics, and bounds on them."""
