"""What examples/benchmark.py is made of; worker.py and with_*.py run in processes of their own."""
