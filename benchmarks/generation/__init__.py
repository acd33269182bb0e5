"""Generated ECG: leads from variational autoencoders, and beats of classes that train a classifier."""
