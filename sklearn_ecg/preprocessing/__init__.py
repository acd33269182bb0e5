"""Signal preprocessing: filters, resampling, scaling, R-peak detection, beats."""
