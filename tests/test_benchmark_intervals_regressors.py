"""Windows and synthetic records of the benchmark of regressors: signals change together with their intervals."""

import numpy as np

from benchmarks.intervals import synthetic, windows
from sklearn_ecg.preprocessing import detect_r_peaks


def test_windows_are_stretched_together_with_their_intervals():
    time = np.arange(2500) / windows.FS
    beats = np.exp(-((((time + 0.4) % 0.8) - 0.4) ** 2) / (2 * 0.02**2))  # 75 a minute
    signal = np.tile(beats, (2, 8, 1)).astype(np.float32)
    records = windows.Records(signal, np.array([[75.0, 150, 90, 400], [75.0, np.nan, 90, 400]]))
    X, y = windows.stretched_windows(records, 4, 0)
    assert X.shape == (8, 8 * windows.WIDTH)
    pace = y[:, 2] / 90
    assert pace.min() > 0.81
    assert pace.max() < 1.23
    assert len(np.unique(pace)) == 8
    np.testing.assert_allclose(y[:, 3], 400 * pace)
    np.testing.assert_allclose(y[:, 0], 75 / pace)
    np.testing.assert_array_equal(np.isnan(y[:, 1]), np.tile([False, True], 4))
    for row, rate in zip(X.reshape(8, 8, -1), y[:, 0], strict=True):
        lead = row[0] * np.sign(row[0][np.argmax(np.abs(row[0]))])  # mixing may turn it over
        peaks = np.flatnonzero((lead[1:-1] >= lead[:-2]) & (lead[1:-1] > lead[2:]) & (lead[1:-1] > 0.5 * lead.max()))
        assert abs(60 * windows.FS / np.median(np.diff(peaks)) - rate) < 0.5


def test_synthetic_records_are_new_each_and_keep_to_their_rate():
    records = synthetic.make_synthetic(12, 0)
    assert records.signal.shape == (12, 8, windows.WIDTH)
    again = synthetic.make_synthetic(12, 0)
    np.testing.assert_array_equal(again.signal, records.signal)
    assert len(np.unique(records.signal[:, 0, 0])) == 12
    rates = []
    for leads in records.signal:
        peaks = detect_r_peaks(leads[np.argmax(np.ptp(leads, axis=1))], fs=windows.FS)
        rates.append(60 * windows.FS / np.median(np.diff(peaks)))
    assert np.median(np.abs(rates - records.y[:, 0])) < 1
