//! docs/grafana/mcpo.json: a dashboard for Grafana, as its import takes it.

mod panel;
mod panels;

use serde_json::{Value, json};

use panel::{Panel, Shape};
use panels::PANELS;

/// Grafana's grid is so many columns wide.
const COLUMNS: u32 = 24;

/// The version of the schema that this is written for: Grafana 10.4. Later ones migrate it.
const SCHEMA_VERSION: u32 = 39;

/// The dashboard.
#[must_use]
pub fn grafana() -> Value {
    json!({
        "uid": "mcpo",
        "title": "mcpo",
        "description": "MCP servers behind mcpo: whether they can be called, how fast they are, what was healed. Made from mcpo's table of metrics.",
        "tags": ["mcpo", "mcp"],
        "editable": true,
        "graphTooltip": 1,
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": variables()},
        "panels": panels(),
    })
}

fn variables() -> Vec<Value> {
    let of = |name: &str, label: &str, query: &str| {
        json!({
            "name": name,
            "label": label,
            "type": "query",
            "datasource": datasource(),
            "definition": query,
            "query": {"query": query, "refId": "variable"},
            "refresh": 2,
            "sort": 1,
            "multi": true,
            "includeAll": true,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        })
    };
    vec![
        json!({
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
            "current": {},
        }),
        of("instance", "mcpo", "label_values(mcpo_build_info, instance)"),
        of(
            "server",
            "Server",
            "label_values(mcpo_server_up{instance=~\"$instance\"}, mcpo_server)",
        ),
    ]
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// Panels from left to right, row by row.
fn panels() -> Vec<Value> {
    let (mut x, mut y, mut row_height) = (0, 0, 0);
    let mut made = Vec::new();
    for (id, panel) in (1..).zip(PANELS) {
        let (width, height) = panel.shape.size();
        if x + width > COLUMNS {
            (x, y) = (0, y + row_height);
            row_height = 0;
        }
        let place = json!({"x": x, "y": y, "w": width, "h": height});
        made.push(match panel.shape {
            Shape::Row => row(id, panel, &place),
            Shape::Figure | Shape::Lines | Shape::Timeline | Shape::Table => one(id, panel, &place),
        });
        x += width;
        row_height = row_height.max(height);
    }
    made
}

fn row(id: u32, panel: &Panel, place: &Value) -> Value {
    json!({
        "id": id, "type": "row", "title": panel.title, "gridPos": place, "collapsed": false,
        "panels": [],
    })
}

fn one(id: u32, panel: &Panel, place: &Value) -> Value {
    let letters = ('A'..='Z').map(String::from);
    let targets: Vec<_> = letters
        .zip(panel.queries)
        .map(|(letter, (expression, legend))| {
            let is_table = panel.shape == Shape::Table;
            json!({
                "refId": letter,
                "datasource": datasource(),
                "expr": expression,
                "legendFormat": legend,
                "format": if is_table { "table" } else { "time_series" },
                "instant": is_table || panel.shape == Shape::Figure,
                "range": !(is_table || panel.shape == Shape::Figure),
                "exemplar": expression.contains("_bucket") && panel.shape == Shape::Lines,
            })
        })
        .collect();
    json!({
        "id": id,
        "type": panel.shape.kind(),
        "title": panel.title,
        "description": panel.description,
        "gridPos": place,
        "datasource": datasource(),
        "targets": targets,
        "fieldConfig": {"defaults": defaults(panel), "overrides": []},
        "options": options(panel.shape),
        "transformations": transformations(panel.shape),
    })
}

/// A table has columns that say nothing, and names that are for queries.
fn transformations(shape: Shape) -> Value {
    if shape != Shape::Table {
        return json!([]);
    }
    let names =
        json!({"mcpo_server": "server", "gen_ai_tool_name": "tool", "Value": "calls a second"});
    json!([
        {"id": "organize", "options": {"excludeByName": {"Time": true}, "renameByName": names}},
        {"id": "sortBy", "options": {"sort": [{"field": "calls a second", "desc": true}]}},
    ])
}

fn defaults(panel: &Panel) -> Value {
    let steps: Vec<_> =
        panel.steps.iter().map(|(from, colour)| json!({"color": colour, "value": from})).collect();
    let mut defaults = json!({
        "unit": panel.unit,
        "color": {"mode": if panel.shape == Shape::Lines { "palette-classic" } else { "thresholds" }},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": [],
    });
    if panel.shape == Shape::Lines {
        defaults["min"] = json!(0);
        defaults["custom"] = json!({"lineWidth": 1, "fillOpacity": 8, "showPoints": "never"});
    }
    if panel.shape == Shape::Timeline {
        defaults["mappings"] = json!([{
            "type": "value",
            "options": {
                "0": {"text": "down", "color": "red", "index": 0},
                "1": {"text": "up", "color": "green", "index": 1},
            },
        }]);
    }
    defaults
}

fn options(shape: Shape) -> Value {
    match shape {
        Shape::Row => json!({}),
        Shape::Figure => json!({
            "colorMode": "value", "graphMode": "none", "justifyMode": "auto",
            "orientation": "auto", "textMode": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
        }),
        Shape::Lines => json!({
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        Shape::Timeline => json!({
            "mergeValues": true, "showValue": "never", "rowHeight": 0.8, "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
            "tooltip": {"mode": "single", "sort": "none"},
        }),
        Shape::Table => json!({"showHeader": true, "cellHeight": "sm", "footer": {"show": false}}),
    }
}
