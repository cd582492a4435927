"""The index: record bodies, receipts, dead letters. Knows no log; gone, it is fetched again."""
