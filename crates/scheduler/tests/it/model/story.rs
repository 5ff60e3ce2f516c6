//! Random lives of tasks: what befalls the world, and what people and workers do to one task in it.

use chrono::{TimeDelta, Timelike as _};
use domain::{TaskId, freshness::StalePolicy, run::RunReason};

use super::calendar::{Cadence, Instant, Plan, ZONES};

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers for a seed, today and in any later version.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// `0..bound`
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize].clone()
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// An expiration, named so that it means something in any life: fixed once the life reaches it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expiry {
    Never,
    In(TimeDelta),
    /// This much after the opening of the n-th window to come.
    AtWindow(usize, TimeDelta),
}

/// What people do.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Pause,
    Resume,
    /// A new schedule altogether.
    Edit(Plan),
    /// The same cadence at an hour nearby: windows of the same date move.
    Shift(u32),
    /// The same cadence and hour in another zone, by its place in `ZONES`.
    Move(usize),
    Rename,
    Extend(Expiry),
    SetGrace(TimeDelta),
    RunNow,
    TestToMe,
    /// One of the runs whose ids are known by now.
    CancelRun(u8),
    Delete,
    Deactivate,
    Reactivate,
    /// So many credits for the task's workspace, or back from it.
    Grant(i64),
}

/// What a worker does with one of the runs that it last claimed, whether or not it still holds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) which: u8,
    pub(super) what: WorkKind,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum WorkKind {
    Heartbeat,
    Step,
    Succeed,
    Fail(RunReason),
    Release,
    /// A look at the task's data before the first step, if the task waits for fresh data.
    Look(Data),
    /// A step that costs a credit.
    Spend,
}

/// What a look at a task's data finds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Data {
    Fresh,
    Stale,
    Unreadable,
}

impl Data {
    /// What there is to say of it, unless it is fresh.
    pub(super) const fn trouble(self) -> Option<&'static str> {
        match self {
            Self::Fresh => None,
            Self::Stale => Some("the data is a day old"),
            Self::Unreadable => Some("the table is gone"),
        }
    }
}

/// The clock moves on, people act, schedulers tick (none: they are down), a worker claims, people act once more while it has
/// what it claimed, workers work; then all is compared.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) advance: TimeDelta,
    pub(super) deeds: Vec<Deed>,
    /// How many schedulers tick at once.
    pub(super) schedulers: usize,
    pub(super) claims: bool,
    pub(super) meanwhile: Vec<Deed>,
    pub(super) works: Vec<Work>,
}

/// The life of one task.
#[derive(Clone, Debug)]
pub(super) struct Story {
    /// The task's id, and with it its offset in the window.
    pub(super) task: TaskId,
    pub(super) starts_at: Instant,
    /// Over how much of a window tasks start.
    pub(super) spread: TimeDelta,
    pub(super) plan: Plan,
    pub(super) expiry: Expiry,
    pub(super) grace: TimeDelta,
    /// What becomes of a day without fresh data, if the task waits for such.
    pub(super) stale: Option<StalePolicy>,
    pub(super) steps: Vec<Step>,
}

const STEPS: usize = 16;

/// Days before a change of the clocks somewhere, an end of a month, a year's end, and some with nothing to them.
const STARTS: [&str; 12] = [
    "2026-01-29T22:00:00Z",
    "2026-03-02T08:00:00Z",
    "2026-03-06T23:00:00Z",
    "2026-03-27T12:00:00Z",
    "2026-04-03T08:30:00Z",
    "2026-06-10T00:00:00Z",
    "2026-09-04T17:00:00Z",
    "2026-10-02T09:00:00Z",
    "2026-10-23T20:00:00Z",
    "2026-10-30T05:59:59Z",
    "2026-12-30T13:00:00Z",
    "2027-02-26T15:00:00Z",
];

/// `count` lives in one world: the same clock and the same schedulers, otherwise strangers.
pub(super) fn stories(world_seed: u64, count: u64) -> Vec<Story> {
    let mut dice = Dice::new(world_seed, 0);
    let starts_at = dice.one_of(&STARTS).parse().expect("an instant");
    let spread = if dice.percent(50) { TimeDelta::zero() } else { domain::schedule::SPREAD };
    let beats = beats(&mut dice, starts_at);
    let whole = |number| {
        let mut story = story(&mut Dice::new(world_seed, number), starts_at, spread, &beats);
        let mut dice = Dice::new(world_seed, count + number);
        if dice.percent(40) {
            limit_credits(&mut story, &mut dice);
        }
        if dice.percent(40) {
            wait_for_fresh_data(&mut story, &mut dice);
        }
        act_meanwhile(&mut story, &mut Dice::new(world_seed, 2 * count + number));
        story
    };
    (1..=count).map(whole).collect()
}

/// Has a workspace's credits come, go, and be used.
fn limit_credits(story: &mut Story, dice: &mut Dice) {
    for step in &mut story.steps {
        if dice.percent(40) {
            let place = dice.below(step.deeds.len() as u64 + 1) as usize;
            step.deeds.insert(place, Deed::Grant(dice.one_of(&[-2, -1, 1, 2])));
        }
        if dice.percent(20) {
            let which = dice.below(2) as u8;
            step.works.insert(0, Work { which, what: WorkKind::Spend });
        }
        if dice.percent(15) {
            let which = dice.below(2) as u8;
            step.works.insert(0, Work { which, what: WorkKind::Fail(RunReason::BlockedByCredits) });
        }
    }
}

/// Has people act between a claim and what comes of it.
fn act_meanwhile(story: &mut Story, dice: &mut Dice) {
    for (number, step) in story.steps.iter_mut().enumerate().filter(|(_, step)| step.claims) {
        if dice.percent(15) {
            step.meanwhile.push(deed(dice, number));
        }
    }
}

/// Gives the task a policy, and has workers look at its data before they begin.
fn wait_for_fresh_data(story: &mut Story, dice: &mut Dice) {
    story.stale = Some(dice.one_of(&[StalePolicy::SendStale, StalePolicy::Skip, StalePolicy::Skip]));
    for step in &mut story.steps {
        let data = dice.one_of(&[Data::Fresh, Data::Stale, Data::Stale, Data::Unreadable]);
        if dice.percent(if step.claims { 80 } else { 10 }) {
            step.works.insert(0, Work { which: dice.below(2) as u8, what: WorkKind::Look(data) });
        }
    }
}

/// How far the clock goes and how many schedulers then tick, step by step.
fn beats(dice: &mut Dice, starts_at: Instant) -> Vec<(TimeDelta, usize)> {
    let mut now = starts_at;
    let mut is_down = false;
    let mut beats = Vec::new();
    for _ in 0..STEPS {
        let into_hour = TimeDelta::seconds(i64::from(now.minute() * 60 + now.second()));
        let to_next_hour = TimeDelta::hours(1) - into_hour;
        let advance = match dice.below(20) {
            0 => TimeDelta::zero(),
            1..=5 => {
                TimeDelta::seconds(dice.one_of(&[1, 29, 30, 59, 60, 120, 480, 900, 1_800, 6_299, 6_300]))
            }
            6..=9 => to_next_hour,
            10 => to_next_hour - TimeDelta::seconds(1),
            11..=15 => to_next_hour + TimeDelta::hours(dice.below(8) as i64),
            16 | 17 => to_next_hour + TimeDelta::hours(dice.one_of(&[11, 22, 23, 24])),
            18 => TimeDelta::minutes(dice.below(3 * 24 * 60) as i64),
            _ => TimeDelta::hours(dice.one_of(&[48, 72, 7 * 24, 9 * 24, 40 * 24])),
        };
        is_down = if is_down { dice.percent(60) } else { dice.percent(12) };
        let schedulers = if is_down { 0 } else { dice.one_of(&[1, 1, 1, 2, 3]) };
        now += advance;
        beats.push((advance, schedulers));
    }
    beats
}

fn story(dice: &mut Dice, starts_at: Instant, spread: TimeDelta, beats: &[(TimeDelta, usize)]) -> Story {
    let task = format!("{:016x}{:016x}", dice.next(), dice.next()).parse().expect("an id");
    let plan = plan(dice);
    let expiry = expiry(dice);
    let grace = grace(dice);
    // Some lives are quiet, so that others than the busy ones are seen to the end.
    let busyness = dice.one_of(&[5, 25, 45]);
    let steps = beats.iter().enumerate().map(|(number, (advance, schedulers))| {
        let count = u64::from(dice.percent(busyness)) + u64::from(dice.percent(busyness));
        let deeds = (0..count).map(|_| deed(dice, number)).collect();
        let claims = dice.percent(55);
        let works = (0..dice.below(4)).map(|_| work(dice)).collect();
        Step { advance: *advance, deeds, schedulers: *schedulers, claims, meanwhile: vec![], works }
    });
    let steps = steps.collect();
    Story { task, starts_at, spread, plan, expiry, grace, stale: None, steps }
}

fn plan(dice: &mut Dice) -> Plan {
    let cadence = match dice.below(10) {
        0..=5 => Cadence::Daily,
        6 | 7 => {
            let weekdays: Vec<u32> = (0..7).filter(|_| dice.percent(40)).collect();
            if weekdays.is_empty() { Cadence::Weekly(vec![2]) } else { Cadence::Weekly(weekdays) }
        }
        8 => Cadence::DayOfMonth(dice.one_of(&[1, 2, 15, 28, 29, 30, 31])),
        _ => Cadence::NthWeekday(dice.one_of(&[-1, 1, 2, 3, 4]), dice.below(7) as u32),
    };
    Plan { cadence, hour: dice.below(24) as u32, zone: dice.below(ZONES.len() as u64) as usize }
}

fn expiry(dice: &mut Dice) -> Expiry {
    match dice.below(10) {
        0 | 1 => Expiry::Never,
        2 => Expiry::In(TimeDelta::minutes(dice.below(10 * 24 * 60) as i64 - 60)),
        3 => Expiry::In(TimeDelta::days(dice.one_of(&[7, 8, 14]))),
        4 | 5 => {
            let offset = dice.one_of(&[-1, 0, 1, 600, 3_600, 7_200]);
            Expiry::AtWindow(dice.below(4) as usize, TimeDelta::seconds(offset))
        }
        _ => Expiry::In(TimeDelta::days(180)),
    }
}

fn grace(dice: &mut Dice) -> TimeDelta {
    TimeDelta::hours(dice.one_of(&[0, 1, 6, 6, 6, 30, 168]))
}

fn deed(dice: &mut Dice, step: usize) -> Deed {
    match dice.below(100) {
        14..=29 => Deed::Resume,
        30..=36 => Deed::Edit(plan(dice)),
        37..=43 => Deed::Shift(dice.one_of(&[1, 2, 3, 23])),
        44..=49 => Deed::Move(dice.below(ZONES.len() as u64) as usize),
        50..=53 => Deed::Rename,
        54..=63 => Deed::Extend(expiry(dice)),
        64..=67 => Deed::SetGrace(grace(dice)),
        68..=79 => Deed::RunNow,
        80..=85 => Deed::TestToMe,
        86..=91 => Deed::CancelRun(dice.below(3) as u8),
        // The ends of lives: not at their beginnings.
        92 | 93 if step >= STEPS / 2 => Deed::Delete,
        94..=97 if step >= STEPS / 3 => Deed::Deactivate,
        98 | 99 => Deed::Reactivate,
        _ => Deed::Pause,
    }
}

fn work(dice: &mut Dice) -> Work {
    let what = match dice.below(20) {
        0..=3 => WorkKind::Heartbeat,
        4 | 5 => WorkKind::Step,
        6..=11 => WorkKind::Succeed,
        12..=15 => WorkKind::Fail(dice.one_of(&[
            RunReason::ModelUnavailable,
            RunReason::ConnectionFailed,
            RunReason::Internal,
        ])),
        16 | 17 => WorkKind::Fail(dice.one_of(&[
            RunReason::AccessLost,
            RunReason::ReauthenticationRequired,
            RunReason::ConnectionDeleted,
            RunReason::InvalidContext,
        ])),
        _ => WorkKind::Release,
    };
    Work { which: dice.below(2) as u8, what }
}
