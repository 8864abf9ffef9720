use mcpo_config::ALERT_RULES;

use super::super::rules::RULES;

#[test]
fn the_configuration_knows_every_rule() {
    assert_eq!(RULES.map(|rule| rule.id), ALERT_RULES);
}
