"""Write cards, tables and figures: the parts that every one of them shares."""
