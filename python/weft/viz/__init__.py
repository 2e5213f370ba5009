"""Pictures of training; matplotlib is imported when one is drawn."""

from weft.viz.training import confusion_matrix, plot_confusion, plot_history, plot_mistakes

__all__ = ["confusion_matrix", "plot_confusion", "plot_history", "plot_mistakes"]
