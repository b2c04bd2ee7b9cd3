"""Charts and galleries as data, and the two ways to draw them: on paper by matplotlib, on the page by Vega-Lite."""
