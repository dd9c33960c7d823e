//! Numbers that look drawn and are not: the same seed and place give the same number.

/// A source of numbers for one place (a domain, a reporter, a day).
#[derive(Debug, Clone)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64, place: &[u64]) -> Self {
        let mut draw = Self(seed);
        for part in place {
            draw.0 = draw.next() ^ part.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        draw
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..count`; 0 if there is none.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        if count == 0 { 0 } else { self.next() % count }
    }

    /// True once in `count`.
    pub(super) fn once_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// `middle`, up to a quarter more or less.
    pub(super) fn about(&mut self, middle: u64) -> u64 {
        middle - middle / 4 + self.below(middle / 2 + 1)
    }

    /// `bytes` bytes as hexadecimal digits.
    pub(super) fn hex(&mut self, bytes: usize) -> String {
        let mut digits = String::with_capacity(bytes * 2 + 16);
        while digits.len() < bytes * 2 {
            digits.push_str(&format!("{:016x}", self.next()));
        }
        digits.truncate(bytes * 2);
        digits
    }
}
