//! One panel of the dashboard.

/// One panel, or the head of a row of them.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) shape: Shape,
    /// Grafana's name of the unit.
    pub(super) unit: &'static str,
    pub(super) description: &'static str,
    /// Expressions, each with its legend.
    pub(super) queries: Queries,
    /// From which value on it has which colour.
    pub(super) steps: &'static [Step],
}

/// How a panel looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A head, as wide as the page.
    Row,
    /// The value now.
    Figure,
    /// Values over time.
    Lines,
    /// States over time.
    Timeline,
    /// Values now, by labels.
    Table,
}

/// From which value on, `None` for the least, and the colour.
pub(super) type Step = (Option<f64>, &'static str);

/// Expressions, each with its legend.
pub(super) type Queries = &'static [(&'static str, &'static str)];

/// Values that are neither good nor bad.
pub(super) const CALM: &[Step] = &[(None, "text")];

// === impl Panel ===

impl Panel {
    pub(super) const fn row(title: &'static str) -> Self {
        Self { title, shape: Shape::Row, unit: "", description: "", queries: &[], steps: CALM }
    }

    pub(super) const fn figure(
        title: &'static str,
        unit: &'static str,
        description: &'static str,
        queries: Queries,
        steps: &'static [Step],
    ) -> Self {
        Self { title, shape: Shape::Figure, unit, description, queries, steps }
    }

    pub(super) const fn lines(
        title: &'static str,
        unit: &'static str,
        description: &'static str,
        queries: Queries,
    ) -> Self {
        Self { title, shape: Shape::Lines, unit, description, queries, steps: CALM }
    }
}

// === impl Shape ===

impl Shape {
    /// Columns and rows of the grid.
    pub(super) const fn size(self) -> (u32, u32) {
        match self {
            Self::Row => (24, 1),
            Self::Figure => (4, 4),
            Self::Lines | Self::Table | Self::Timeline => (12, 8),
        }
    }

    /// Grafana's name of it.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Figure => "stat",
            Self::Lines => "timeseries",
            Self::Timeline => "state-timeline",
            Self::Table => "table",
        }
    }
}
