/** The views under "More" open without this; here they also close with Escape, and when something else is clicked. */

const more = document.getElementById('views-more') as HTMLDetailsElement | null;

document.addEventListener(
  'keydown',
  (event) => {
    if (event.key !== 'Escape' || !more?.open) return;
    // Escape closes what is open first: the page's own meaning of it waits.
    event.preventDefault();
    event.stopImmediatePropagation();
    more.open = false;
    more.querySelector('summary')?.focus();
  },
  true,
);
document.addEventListener('pointerdown', (event) => {
  if (more?.open && event.target instanceof Node && !more.contains(event.target)) more.open = false;
});
