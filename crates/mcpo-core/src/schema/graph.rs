//! Cycles in a small directed graph.

/// Groups of nodes that reach each other, each group after all groups that it leads to
/// (Tarjan's algorithm, without recursion so that long chains cannot exhaust the stack).
pub(super) fn strongly_connected(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search {
        order: vec![None; edges.len()],
        low: vec![0; edges.len()],
        waiting: vec![false; edges.len()],
        stack: Vec::new(),
        groups: Vec::new(),
        next: 0,
    };
    for start in 0..edges.len() {
        if search.order[start].is_none() {
            search.visit(edges, start);
        }
    }
    search.groups
}

/// Whether the group's nodes lead back to themselves.
pub(super) fn is_cyclic(group: &[usize], edges: &[Vec<usize>]) -> bool {
    group.len() > 1 || group.iter().any(|&node| edges[node].contains(&node))
}

struct Search {
    order: Vec<Option<usize>>,
    low: Vec<usize>,
    waiting: Vec<bool>,
    stack: Vec<usize>,
    groups: Vec<Vec<usize>>,
    next: usize,
}

impl Search {
    fn visit(&mut self, edges: &[Vec<usize>], start: usize) {
        let mut path = vec![(start, 0)];
        self.open(start);
        while let Some((node, edge)) = path.last_mut() {
            let node = *node;
            if let Some(&next) = edges[node].get(*edge) {
                *edge += 1;
                match self.order[next] {
                    None => {
                        self.open(next);
                        path.push((next, 0));
                    }
                    Some(order) if self.waiting[next] => self.low[node] = self.low[node].min(order),
                    Some(_) => {}
                }
                continue;
            }
            path.pop();
            if let Some(&(parent, _)) = path.last() {
                self.low[parent] = self.low[parent].min(self.low[node]);
            }
            self.close(node);
        }
    }

    fn open(&mut self, node: usize) {
        self.order[node] = Some(self.next);
        self.low[node] = self.next;
        self.next += 1;
        self.waiting[node] = true;
        self.stack.push(node);
    }

    fn close(&mut self, node: usize) {
        if self.order[node] != Some(self.low[node]) {
            return;
        }
        let start = self.stack.iter().rposition(|&other| other == node).unwrap_or(0);
        let group = self.stack.split_off(start);
        for &member in &group {
            self.waiting[member] = false;
        }
        self.groups.push(group);
    }
}
