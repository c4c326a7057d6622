//! How a map lies in memory: in blocks of channels, with a border of zeros.

use super::block::BLOCK;
use crate::{Error, Result};

/// Places of an output that Winograd's transform computes at once along each side.
pub(super) const SIDE: usize = 4;

/// A map of `groups` groups of `lanes` channels: values of a group's channels at one place lie
/// together, then come the places of a row, the rows, the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub groups: usize,
    /// [`BLOCK`], or 1 for the image.
    pub lanes: usize,
    pub height: usize,
    pub width: usize,
    /// Zeros on each side, and as many more as fill the last tile.
    pub border: usize,
}

impl Layout {
    pub fn blocks(channels: usize, height: usize, width: usize, border: usize) -> Self {
        Self { groups: channels.div_ceil(BLOCK), lanes: BLOCK, height, width, border }
    }

    /// Places of a row with its border.
    pub fn pitch(self) -> usize {
        self.width.next_multiple_of(SIDE) + 2 * self.border
    }

    fn rows(self) -> usize {
        self.height.next_multiple_of(SIDE) + 2 * self.border
    }

    /// Values of a group.
    pub fn group(self) -> usize {
        self.rows() * self.pitch() * self.lanes
    }

    /// All values, if they can be numbered.
    pub fn len(self) -> Result<usize> {
        let most = isize::MAX as usize / 64;
        let rows = self.height.checked_add(SIDE + 2 * self.border);
        let pitch = self.width.checked_add(SIDE + 2 * self.border);
        rows.zip(pitch)
            .and_then(|(rows, pitch)| rows.checked_mul(pitch))
            .and_then(|places| places.checked_mul(self.groups * self.lanes))
            .filter(|all| *all <= most)
            .map(|_| self.groups * self.group())
            .ok_or_else(|| {
                Error::Argument(format!(
                    "images of {} x {} pixels are too large",
                    self.height, self.width
                ))
            })
    }

    /// Where the place (y, x) of a group is, both counted from the border's first.
    pub fn at(self, group: usize, y: usize, x: usize) -> usize {
        group * self.group() + (y * self.pitch() + x) * self.lanes
    }

    /// Where the place (y, x) of the map itself is.
    pub fn inside(self, group: usize, y: usize, x: usize) -> usize {
        self.at(group, y + self.border, x + self.border)
    }
}
