//! Normal pixels placed sixteen at a time, with AVX-512.

use std::arch::x86_64::*;

use super::segment::{Segment, search};

/// Pixels that wait to be looked up, or to be counted, together.
const BUFFER: usize = 512;
/// How far ahead the scores are asked for.
const AHEAD: usize = 1024;
/// Keys of one slot that are stepped over before a search.
const STEPS: usize = 4;

/// What leads from a key to its bin: the parts of a `Bins<u32>`.
pub struct Table<'a> {
    /// Between a sentinel below and two above.
    pub keys: &'a [u32],
    pub segments: &'a [Segment],
    pub slots: &'a [u32],
}

/// Pixels on their way into the counts. Each step is a loop of its own, so that the CPU has many
/// loads under way: the slots of many defects do not fit the nearest caches.
struct Buffers<'a> {
    counts: &'a mut [u32],
    /// Pixels to be looked up: keys and slots.
    keys: [u32; BUFFER],
    slots: [u32; BUFFER],
    n: usize,
    /// Those whose slot holds keys, and how many keys lie below that slot.
    rest: [u32; BUFFER + 16],
    below: [u32; BUFFER + 16],
    bins: [u32; BUFFER + 16],
}

/// Adds the pixels with a zero mask and `from <= score < to` to `counts`; says whether all scores
/// are finite.
///
/// # Safety
/// The CPU must have AVX-512 F, VL, DQ and BW. The table must be that of a `Bins<u32>`, with at
/// most `i32::MAX` slots and keys, and no finite `from <= score` may lie below its first key.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
pub unsafe fn count(
    table: &Table<'_>,
    mask: &[u8],
    map: &[f32],
    from: f32,
    to: f32,
    counts: &mut [u32],
) -> bool {
    let (from, to) = (_mm512_set1_ps(from), _mm512_set1_ps(to));
    let mut buffers = Buffers {
        counts,
        keys: [0; BUFFER],
        slots: [0; BUFFER],
        n: 0,
        rest: [0; BUFFER + 16],
        below: [0; BUFFER + 16],
        bins: [0; BUFFER + 16],
    };
    let mut bad = 0;
    for (mask, map) in mask.chunks(16).zip(map.chunks(16)) {
        let lanes = 0xffff >> (16 - mask.len().min(map.len()));
        // SAFETY: only the first `lanes` values are read; a prefetch may have any address.
        let (defect, score) = unsafe {
            _mm_prefetch::<_MM_HINT_T0>(map.as_ptr().wrapping_add(AHEAD).cast());
            let defect = _mm_maskz_loadu_epi8(lanes, mask.as_ptr().cast());
            (defect, _mm512_maskz_loadu_ps(lanes, map.as_ptr()))
        };
        bad |= _mm512_fpclass_ps_mask::<0x99>(score); // NaN of either kind, either infinity
        let normal = lanes & _mm_testn_epi8_mask(defect, defect);
        let kept = _mm512_mask_cmp_ps_mask::<_CMP_GE_OQ>(normal, score, from);
        let kept = _mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(kept, score, to);
        if kept == 0 {
            continue;
        }
        // The key as Score::key makes it.
        let bits = _mm512_castps_si512(_mm512_add_ps(score, _mm512_setzero_ps()));
        let sign = _mm512_set1_epi32(i32::MIN);
        let key = _mm512_xor_si512(bits, _mm512_or_si512(_mm512_srai_epi32::<31>(bits), sign));
        // SAFETY: there is a segment for every head, and room for sixteen more pixels.
        unsafe {
            let head = _mm512_srli_epi32::<20>(key);
            let segments = table.segments.as_ptr().cast::<i32>();
            let first = _mm512_i32gather_epi32::<8>(head, segments);
            let shift = _mm512_i32gather_epi32::<8>(head, segments.add(1));
            let tail = _mm512_and_si512(key, _mm512_set1_epi32(0xf_ffff));
            let slot = _mm512_add_epi32(first, _mm512_srlv_epi32(tail, shift));
            let keys = buffers.keys.as_mut_ptr().add(buffers.n);
            _mm512_storeu_si512(keys.cast(), _mm512_maskz_compress_epi32(kept, key));
            let slots = buffers.slots.as_mut_ptr().add(buffers.n);
            _mm512_storeu_si512(slots.cast(), _mm512_maskz_compress_epi32(kept, slot));
        }
        buffers.n += kept.count_ones() as usize;
        if buffers.n > BUFFER - 16 {
            // SAFETY: passed on.
            unsafe { look_up(table, &mut buffers) };
        }
    }
    // SAFETY: passed on.
    unsafe { look_up(table, &mut buffers) };
    bad == 0
}

/// Finds and counts the bins of all buffered pixels.
///
/// # Safety
/// As for [`count`]; `buffers` holds keys of finite scores and their slots.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
unsafe fn look_up(table: &Table<'_>, buffers: &mut Buffers<'_>) {
    let (mut n_bins, mut n_rest) = (0, 0);
    for start in (0..buffers.n).step_by(16) {
        let lanes = 0xffff >> (16 - (buffers.n - start).min(16));
        // SAFETY: the slots exist; what is appended is at most what was read, plus sixteen.
        unsafe {
            let key = _mm512_loadu_si512(buffers.keys.as_ptr().add(start).cast());
            let slot = _mm512_loadu_si512(buffers.slots.as_ptr().add(start).cast());
            let (none, slots) = (_mm512_setzero_si512(), table.slots.as_ptr().cast());
            let place = _mm512_mask_i32gather_epi32::<4>(none, lanes, slot, slots);
            let search = _mm512_mask_test_epi32_mask(lanes, place, _mm512_set1_epi32(1));
            let found = lanes & !search;
            let rest = buffers.rest.as_mut_ptr().add(n_rest);
            _mm512_storeu_si512(rest.cast(), _mm512_maskz_compress_epi32(search, key));
            let place = _mm512_srli_epi32::<1>(place);
            let bins = buffers.bins.as_mut_ptr().add(n_bins);
            _mm512_storeu_si512(bins.cast(), _mm512_maskz_compress_epi32(found, place));
            let below = buffers.below.as_mut_ptr().add(n_rest);
            _mm512_storeu_si512(below.cast(), _mm512_maskz_compress_epi32(search, place));
            n_bins += found.count_ones() as usize;
            n_rest += search.count_ones() as usize;
        }
    }
    buffers.n = 0;
    for &bin in &buffers.bins[..n_bins] {
        buffers.counts[bin as usize] += 1;
    }
    let keys = table.keys;
    let n_keys = keys.len() - 3;
    for start in (0..n_rest).step_by(16) {
        let lanes = 0xffff >> (16 - (n_rest - start).min(16));
        // SAFETY: the buffers' length is a multiple of sixteen; a place has a key after it, and
        // the last of all keys exceeds every finite score's.
        let (key, mut up_to, mut last, mut more) = unsafe {
            let key = _mm512_loadu_si512(buffers.rest.as_ptr().add(start).cast());
            let up_to = _mm512_loadu_si512(buffers.below.as_ptr().add(start).cast());
            (key, up_to, _mm512_setzero_si512(), lanes)
        };
        for _ in 0..STEPS {
            // SAFETY: as above; `up_to` advances only to keys that do not exceed a pixel's.
            let next = unsafe {
                let base = keys.as_ptr().add(1).cast();
                _mm512_mask_i32gather_epi32::<4>(last, more, up_to, base)
            };
            more = _mm512_mask_cmple_epu32_mask(more, next, key);
            up_to = _mm512_mask_add_epi32(up_to, more, up_to, _mm512_set1_epi32(1));
            last = _mm512_mask_mov_epi32(last, more, next);
            if more == 0 {
                break;
            }
        }
        let tied = _mm512_mask_cmpeq_epi32_mask(lanes, last, key);
        let bin = _mm512_mask_add_epi32(up_to, tied, up_to, _mm512_set1_epi32(n_keys as i32));
        let mut bins = [0u32; 16];
        // SAFETY: sixteen values.
        unsafe { _mm512_storeu_si512(bins.as_mut_ptr().cast(), bin) };
        while more != 0 {
            let lane = more.trailing_zeros() as usize;
            more &= more - 1;
            let key = buffers.rest[start + lane];
            let up_to = bins[lane] as usize - n_keys * usize::from(tied >> lane & 1 == 1);
            let up_to = up_to + search(&keys[up_to + 1..keys.len() - 1], key);
            bins[lane] = (up_to + n_keys * usize::from(keys[up_to] == key)) as u32;
        }
        for &bin in &bins[..lanes.count_ones() as usize] {
            buffers.counts[bin as usize] += 1;
        }
    }
}
