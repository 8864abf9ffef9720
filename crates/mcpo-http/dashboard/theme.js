// Runs before the first paint, so that a theme that was chosen does not flash the other one.
(() => {
  try {
    const kept = localStorage.getItem('mcpo-theme');
    if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
  } catch { /* Storage may be forbidden; then the system's theme it is. */ }
})();
