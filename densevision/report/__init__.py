"""One page on a training or an evaluation, ``report.html``, and its figures as ``report.json``."""
