//! The plan between two configurations.

use std::time::Duration;

use mcpo_core::catalog::CatalogPolicy;
use mcpo_core::load::ServerLoad;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::Plan;
use crate::server::{ChildEnvironment, Endpoint, Era, PoolSizes, Server, ServerName, Stdio};

fn server(name: &str, command: &str) -> Server {
    let environment = ChildEnvironment::default();
    Server {
        name: ServerName::new(name).expect("the name is right"),
        endpoint: Endpoint::Stdio(Stdio {
            command: command.to_owned(),
            args: vec![],
            environment,
            cwd: None,
        }),
        era: Era::Auto,
        timeout: None,
        pool: PoolSizes::STDIO,
        catalog: CatalogPolicy::default(),
        load: ServerLoad::default(),
    }
}

#[test]
fn starting_up_is_the_plan_from_none() {
    let servers = [server("a", "x"), server("b", "x")];
    assert_eq!(Plan::between(&[], &servers), Plan { start: servers.to_vec(), ..Plan::default() });
}

#[test]
fn nothing_changed_is_quiet() {
    let servers = [server("a", "x")];
    assert!(Plan::between(&servers, &servers).is_quiet());
}

#[test]
fn a_new_policy_keeps_the_session_and_is_handed_over() {
    let old = [server("a", "x")];
    let mut new = old.clone();
    new[0].timeout = Some(Duration::from_secs(1));
    new[0].catalog.disabled_tools.push("t".to_owned());
    let plan = Plan::between(&old, &new);
    assert!(plan.is_quiet());
    assert_eq!(plan.keep, new);
}

#[test]
fn another_way_to_reach_it_replaces_the_session() {
    let old = [server("a", "x"), server("b", "x"), server("c", "x")];
    let mut new = [server("a", "y"), server("b", "x")];
    new[1].era = Era::Modern;
    let plan = Plan::between(&old, &new);
    assert_eq!(plan.replace, new);
    assert_eq!(plan.stop, [server("c", "x").name]);
}

/// Some servers with names from a small set, each name once.
fn servers() -> impl Strategy<Value = Vec<Server>> {
    let one = (prop_oneof![Just("a"), Just("b"), Just("c"), Just("d")], any::<bool>());
    proptest::collection::vec(one, 0..6).prop_map(|picks| {
        let mut servers: Vec<Server> = Vec::new();
        for (name, other) in picks {
            if servers.iter().all(|server| server.name.as_str() != name) {
                servers.push(server(name, if other { "x" } else { "y" }));
            }
        }
        servers
    })
}

proptest! {
    #[test]
    fn every_server_stands_in_exactly_one_list(old in servers(), new in servers()) {
        let plan = Plan::between(&old, &new);
        let served = plan.start.len() + plan.replace.len() + plan.keep.len();
        prop_assert_eq!(served, new.len());
        prop_assert_eq!(plan.stop.len() + plan.replace.len() + plan.keep.len(), old.len());
        prop_assert!(plan.stop.iter().all(|name| new.iter().all(|server| server.name != *name)));
    }
}
