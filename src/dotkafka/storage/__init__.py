"""The storage seams, and the engines behind them."""
