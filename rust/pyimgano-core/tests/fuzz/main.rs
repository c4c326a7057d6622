//! Seeded random inputs of every kind against plain oracles, at every instruction set of this CPU.
//!
//! `cargo test` runs some hundred cases in seconds. More, or others:
//! `PYIMGANO_FUZZ_CASES=20000 PYIMGANO_FUZZ_SEED=7 cargo test --release --test fuzz`.
//! `make asan` runs this and all other tests under AddressSanitizer.

mod convolutions;
mod curves;
mod inputs;
mod loops;
mod more_curves;
mod regions;
mod search;

use std::process::Command;

use pyimgano_core::simd::Simd;

use crate::inputs::number;

/// Cases per kernel and level when nothing else is said.
const CASES: u64 = 60;

/// Everything, at the level that `PYIMGANO_SIMD` names.
#[test]
#[ignore = "run by every_level, in a process of its own"]
fn one_level() {
    let simd = Simd::from_env().expect("a level of this CPU");
    for case in 0..number("PYIMGANO_FUZZ_CASES", CASES) {
        loops::loops(case, simd);
        search::coresets(case);
        search::neighbours(case);
        regions::regions(case);
        curves::curves(case);
        convolutions::networks(case);
    }
}

/// The environment names the level, and a process has but one: so each level gets its own.
#[test]
fn every_level() {
    for simd in Simd::all() {
        let level = simd.level().name();
        let status = Command::new(std::env::current_exe().expect("this test"))
            .args(["one_level", "--exact", "--ignored", "--nocapture"])
            .env("PYIMGANO_SIMD", level)
            .status()
            .expect("starts");
        assert!(status.success(), "at {level}: {status}");
    }
}
