//! From a life that left the rules to the shortest one that still does.

use std::fmt::Write as _;

use domain::{freshness::StalePolicy, schedule::start_offset};

use super::{
    story::{Step, Story},
    world::{self, Failure},
};

/// The failure's story, made as short as can be, told step by step.
pub(super) async fn told(failure: Failure) -> String {
    let shortest = shrink(failure).await;
    let story = &shortest.story;
    let mut text = String::new();
    let mut now = story.starts_at;
    writeln!(text, "  {now}: {:?}, expires {:?}", story.plan, story.expiry).expect("a text");
    let offset = start_offset(story.task, story.spread);
    let stale = story.stale.map_or("is not looked at", StalePolicy::as_str);
    writeln!(text, "    grace {}, starts {offset} into its window, stale data: {stale}", story.grace)
        .expect("a text");
    for step in &story.steps {
        now += step.advance;
        let claims = if step.claims { ", a worker claims" } else { "" };
        let Step { deeds, schedulers, meanwhile, works, .. } = step;
        writeln!(text, "  {now}: {deeds:?}, {schedulers} schedulers{claims}, {meanwhile:?}, {works:?}")
            .expect("a text");
    }
    write!(text, "  then{}", shortest.difference).expect("a text");
    text
}

/// Leaves out what the failure does not need: steps, deeds, works, as long as it still fails.
async fn shrink(failure: Failure) -> Failure {
    let mut alone = failure;
    alone.story.steps.truncate(alone.step + 1);
    // Fails among others and not alone: tell it as it was.
    let Some(mut shortest) = fails(alone.story.clone()).await else { return alone };
    loop {
        let mut is_shorter = false;
        let mut place = 0;
        while let Some(candidate) = candidates(&shortest.story).into_iter().nth(place) {
            match fails(candidate).await {
                Some(shorter) => {
                    shortest = shorter;
                    is_shorter = true;
                }
                None => place += 1,
            }
        }
        if !is_shorter {
            return shortest;
        }
    }
}

async fn fails(story: Story) -> Option<Failure> {
    let mut failure = world::live(vec![story]).await.pop()?;
    failure.story.steps.truncate(failure.step + 1);
    Some(failure)
}

/// The story with one thing less each.
fn candidates(story: &Story) -> Vec<Story> {
    let mut shorter = Vec::new();
    for number in 0..story.steps.len() {
        let mut without = story.clone();
        let gone = without.steps.remove(number);
        shorter.push(without.clone());
        // The clock goes on as before.
        if let Some(next) = without.steps.get_mut(number) {
            next.advance += gone.advance;
            shorter.push(without);
        }
    }
    if story.stale.is_some() {
        shorter.push(Story { stale: None, ..story.clone() });
    }
    let changed = |number: usize, change: &dyn Fn(&mut Step)| {
        let mut changed = story.clone();
        change(&mut changed.steps[number]);
        changed
    };
    for (number, step) in story.steps.iter().enumerate() {
        for place in 0..step.deeds.len() {
            shorter.push(changed(number, &|step| _ = step.deeds.remove(place)));
        }
        for place in 0..step.meanwhile.len() {
            shorter.push(changed(number, &|step| _ = step.meanwhile.remove(place)));
        }
        for place in 0..step.works.len() {
            shorter.push(changed(number, &|step| _ = step.works.remove(place)));
        }
        if step.claims {
            shorter.push(changed(number, &|step| step.claims = false));
        }
        if step.schedulers > 0 {
            shorter.push(changed(number, &|step| step.schedulers -= 1));
        }
    }
    shorter
}
