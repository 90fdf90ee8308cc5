"""The demo, `python -m graphad demo`: a network learns to read handwritten digits.

    images (data.py)  →  graph, gradient, compiled step (model.py)  →  training (training.py)
                      →  curves (curves.py), picture, source, report (digits.py)

It is written as a user of the package would write it, and uses public names only. The libraries
it needs beyond NumPy come with `pip install 'graphad[demo]'`.
"""
