//! The bench's own arithmetic.

use serde::{Serialize, Serializer};

/// What one thing measured several times came to. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// In ascending order.
    values: Vec<f64>,
}

impl Figure {
    /// Of at least one measurement, in any order.
    pub fn of(values: impl IntoIterator<Item = f64>) -> anyhow::Result<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        anyhow::ensure!(!values.is_empty(), "nothing was measured");
        values.sort_by(f64::total_cmp);
        Ok(Self { values })
    }

    /// The middle one; of an even number, the mean of the two in the middle.
    pub fn median(&self) -> f64 {
        let middle = self.values.len() / 2;
        if self.values.len().is_multiple_of(2) {
            f64::midpoint(self.values[middle - 1], self.values[middle])
        } else {
            self.values[middle]
        }
    }

    /// The smallest.
    pub fn min(&self) -> f64 {
        self.values[0]
    }

    /// The largest.
    pub fn max(&self) -> f64 {
        self.values[self.values.len() - 1]
    }

    /// The smallest one that at least this share of all do not exceed: `0.99` is the 99th percentile.
    pub fn percentile(&self, share: f64) -> f64 {
        let place = (share * self.values.len() as f64).ceil() as usize;
        self.values[place.clamp(1, self.values.len()) - 1]
    }

    /// How often it was measured.
    pub fn count(&self) -> usize {
        self.values.len()
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Summary {
            median: f64,
            min: f64,
            max: f64,
            count: usize,
        }
        Summary { median: self.median(), min: self.min(), max: self.max(), count: self.count() }
            .serialize(serializer)
    }
}

/// Ours by theirs, round by round: what both sides met in one round (a slow disk, a busy neighbour) cancels out.
pub fn ratios(ours: &[f64], theirs: &[f64]) -> anyhow::Result<Figure> {
    anyhow::ensure!(ours.len() == theirs.len(), "each round measures both sides");
    Figure::of(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(values: &[f64]) -> Figure {
        Figure::of(values.iter().copied()).expect("a figure")
    }

    #[test]
    fn the_median_is_the_middle_one_in_whatever_order_they_came() {
        let odd = figure(&[5.0, 1.0, 3.0]);
        assert_eq!((odd.median(), odd.min(), odd.max()), (3.0, 1.0, 5.0));
        let (even, single) = (figure(&[4.0, 1.0, 2.0, 10.0]), figure(&[7.0]));
        assert_eq!((even.median(), single.median()), (3.0, 7.0));
        assert!(Figure::of([]).is_err());
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let hundred = Figure::of((1..=100).map(f64::from)).expect("a figure");
        let shares = [0.0, 0.5, 0.99, 1.0];
        assert_eq!(shares.map(|share| hundred.percentile(share) as u32), [1, 50, 99, 100]);
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        // Both sides were three times slower in the second round.
        let ratio = ratios(&[30.0, 10.0, 33.0], &[10.0, 5.0, 10.0]).expect("a figure");
        assert_eq!((ratio.min(), ratio.median(), ratio.max()), (2.0, 3.0, 3.3));
        assert!(ratios(&[1.0], &[]).is_err());
    }
}
