//! How a character of a log looks: what the escape sequences for colours add up to.

/// A foreground, a background (both of the sixteen) and attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pen {
    front: Option<u8>,
    back: Option<u8>,
    attributes: u8,
}

/// Attribute bits in the order of their classes.
const CLASSES: [&str; 6] = ["bd", "dm", "it", "un", "iv", "st"];
const BOLD: u8 = 1;
const DIM: u8 = 1 << 1;
const ITALIC: u8 = 1 << 2;
const UNDERLINE: u8 = 1 << 3;
const INVERSE: u8 = 1 << 4;
const STRIKE: u8 = 1 << 5;

/// The sixteen colours as terminals mix them, to find the nearest one of any other.
const PALETTE: [[u8; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

impl Pen {
    /// The classes of this look, separated by blanks.
    pub(super) fn write_classes(self, out: &mut String) {
        let colour = |kind: char, n: Option<u8>| n.map(|n| format!("{kind}{n}"));
        let bits = CLASSES.iter().enumerate().filter(|(bit, _)| self.attributes & (1 << bit) != 0);
        let all = colour('f', self.front)
            .into_iter()
            .chain(colour('g', self.back))
            .chain(bits.map(|(_, class)| (*class).to_owned()));
        for (at, class) in all.enumerate() {
            if at > 0 {
                out.push(' ');
            }
            out.push_str(&class);
        }
    }

    /// Carries out the codes of one `CSI … m`.
    pub(super) fn apply<'p>(&mut self, mut codes: impl Iterator<Item = &'p [u16]>) {
        while let Some(code) = codes.next() {
            match code.first().copied().unwrap_or(0) {
                38 => self.front = colour(code, &mut codes).or(self.front),
                48 => self.back = colour(code, &mut codes).or(self.back),
                58 => _ = colour(code, &mut codes),
                simple => self.apply_simple(simple),
            }
        }
    }

    fn apply_simple(&mut self, code: u16) {
        match code {
            0 => *self = Self::default(),
            1 => self.attributes |= BOLD,
            2 => self.attributes |= DIM,
            3 => self.attributes |= ITALIC,
            4 | 21 => self.attributes |= UNDERLINE,
            7 => self.attributes |= INVERSE,
            9 => self.attributes |= STRIKE,
            22 => self.attributes &= !(BOLD | DIM),
            23 => self.attributes &= !ITALIC,
            24 => self.attributes &= !UNDERLINE,
            27 => self.attributes &= !INVERSE,
            29 => self.attributes &= !STRIKE,
            30..=37 => self.front = low(code, 30),
            39 => self.front = None,
            40..=47 => self.back = low(code, 40),
            49 => self.back = None,
            90..=97 => self.front = low(code, 82),
            100..=107 => self.back = low(code, 92),
            _ => {}
        }
    }
}

fn low(code: u16, base: u16) -> Option<u8> {
    u8::try_from(code.saturating_sub(base)).ok()
}

/// The colour of `38:5:n`, `38:2::r:g:b` or the same with semicolons.
fn colour<'p>(code: &[u16], codes: &mut impl Iterator<Item = &'p [u16]>) -> Option<u8> {
    let mut next = || codes.next().and_then(|c| c.first().copied());
    match code {
        [_, 5, n, ..] => indexed(*n),
        [_, 2, r, g, b] | [_, 2, _, r, g, b, ..] => nearest([*r, *g, *b]),
        [_] => match next()? {
            5 => indexed(next()?),
            2 => nearest([next()?, next()?, next()?]),
            _ => None,
        },
        _ => None,
    }
}

fn indexed(n: u16) -> Option<u8> {
    let level = |step: u16| if step == 0 { 0 } else { 55 + 40 * step };
    match n {
        0..=15 => u8::try_from(n).ok(),
        16..=231 => {
            let cube = n - 16;
            nearest([level(cube / 36), level(cube / 6 % 6), level(cube % 6)])
        }
        232..=255 => nearest([8 + 10 * (n - 232); 3]),
        _ => None,
    }
}

fn nearest(rgb: [u16; 3]) -> Option<u8> {
    let distance = |known: &[u8; 3]| -> u32 {
        let parts =
            known.iter().zip(rgb).map(|(a, b)| u32::from(u16::from(*a).abs_diff(b.min(255))));
        parts.map(|d| d * d).sum()
    };
    let best = PALETTE.iter().enumerate().min_by_key(|(_, known)| distance(known));
    best.and_then(|(n, _)| u8::try_from(n).ok())
}
