//! What model tokens cost a workspace.

use domain::Credits;

/// The tokens of a reply in the middle of a turn: what is sent grows with each step.
const TYPICAL_SENT: u64 = 6_000;
const TYPICAL_RECEIVED: u64 = 400;

/// Credits per million tokens of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// The beginning of the model's name, such as `openai:gpt-5`; the longest that fits decides.
    pub model: String,
    /// For a million tokens sent.
    pub sent: f64,
    /// For a million tokens received.
    pub received: f64,
}

/// The price table. A model that is not in it costs nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prices(pub Vec<Price>);

impl Prices {
    /// What a reply of `model` costs: a whole number of millionths of a credit, rounded up.
    pub fn credits(&self, model: &str, tokens_in: u64, tokens_out: u64) -> Credits {
        let price = self
            .0
            .iter()
            .filter(|price| model.starts_with(&price.model))
            .max_by_key(|price| price.model.len());
        // So many credits for a million tokens are as many millionths for one.
        let micros =
            price.map_or(0.0, |price| tokens_in as f64 * price.sent + tokens_out as f64 * price.received);
        Credits::from_micros(micros.ceil() as i64)
    }

    /// What a reply of `model` may cost, where nothing is known of its past.
    pub fn typical_reply(&self, model: &str) -> Credits {
        self.credits(model, TYPICAL_SENT, TYPICAL_RECEIVED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_that_fits_decides() {
        let price = |model: &str, sent| Price { model: model.into(), sent, received: 10.0 * sent };
        let prices = Prices(vec![price("openai:", 1.0), price("openai:gpt-5", 2.0)]);
        let cost = |model: &str| prices.credits(model, 1_000_000, 100_000).to_string();
        assert_eq!(cost("openai:gpt-5-mini"), "4");
        assert_eq!(cost("openai:other"), "2");
        assert_eq!(cost("builtin"), "0");
    }

    #[test]
    fn a_part_of_a_millionth_costs_a_whole_one() {
        let prices = Prices(vec![Price { model: "openai:".into(), sent: 0.001, received: 0.0 }]);
        assert_eq!(prices.credits("openai:x", 1, 0), Credits::from_micros(1));
        assert_eq!(prices.credits("openai:x", 0, 50), Credits::default());
    }
}
