use std::collections::HashSet;

use super::*;

#[test]
fn every_tool_up_to_the_bound_is_found_again_and_nothing_else() {
    let shelf = Shelf::default();
    let name = |number: usize| format!("a_tool_with_a_longer_name_{number}");
    for number in 0..TOOLS_MAX {
        assert!(shelf.find(&name(number)).is_none());
        let added = shelf.find_or_add(&name(number), || true).expect("there is room");
        let found = shelf.find(&name(number)).expect("it was just added");
        assert!(std::ptr::eq(added, found) && found.name() == name(number));
    }
    assert_eq!((shelf.len(), shelf.tools().count()), (TOOLS_MAX, TOOLS_MAX));
    assert!(shelf.find_or_add("one more", || true).is_none());
    for number in 0..TOOLS_MAX {
        assert_eq!(shelf.find(&name(number)).map(Tool::name), Some(&*name(number)));
    }
}

#[test]
fn names_that_differ_in_one_letter_stand_apart_wherever_it_is() {
    let shelf = Shelf::default();
    let names: [fn(u32) -> String; 3] = [
        |number| format!("tool_{number:03}"),
        |number| format!("{number:03}_tool_with_more"),
        |number| format!("a_tool_{number:03}_and_more"),
    ];
    for name in names {
        let first = |number| shelf.hash(&name(number)) as usize % SOME_SLOTS;
        let places: HashSet<usize> = (0..100).map(first).collect();
        // Of 100 thrown at random about 83 are met.
        assert!(places.len() > 50, "{}: {}", name(0), places.len());
    }
}

#[test]
fn one_that_may_not_be_added_is_not_and_one_that_is_there_needs_no_leave() {
    let shelf = Shelf::default();
    assert!(shelf.find_or_add("tool", || false).is_none());
    assert_eq!(shelf.len(), 0);
    shelf.find_or_add("tool", || true).expect("it may");
    assert!(shelf.find_or_add("tool", || false).is_some());
}

#[test]
fn many_that_come_at_once_are_added_once() {
    let shelf = Shelf::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..500 {
                    let name = number.to_string();
                    let tool = shelf.find(&name).or_else(|| shelf.find_or_add(&name, || true));
                    assert_eq!(tool.map(Tool::name), Some(&*name));
                }
            });
        }
    });
    assert_eq!((shelf.len(), shelf.tools().count()), (500, 500));
}
