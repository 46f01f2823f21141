// The chips: what is done with one of them changes the text in the box of labels, which is what counts, or becomes the
// event 'look'. Several things may be done before the list is shown anew: `labels` is how it will be then.
const box = () => document.querySelector('#lseg-labels textarea');
let labels = [];  // {was, now}: texts of labels as the list shows them, and as they are by now
let written = null;

function change(act, chip, text) {
  const isShown = element.querySelector('ol').dataset.text === box().value;
  if (isShown || box().value !== written) {
    labels = [...element.querySelectorAll('li')].map(({dataset}) => ({was: dataset.text, now: dataset.text}));
  }
  const at = labels.findIndex(({was, now}) => was === chip || now === chip);
  if (at < 0) return;  // removed a moment ago
  if (act === 'rename') labels[at].now = text.trim();
  if (act === 'remove') labels.splice(at, 1);
  if (act === 'up' || act === 'down') labels.splice(Math.max(0, at + (act === 'up' ? -1 : 1)), 0, ...labels.splice(at, 1));
  written = labels.map(({now}) => now).filter(Boolean).join(', ');
  box().value = written;
  box().dispatchEvent(new Event('input', {bubbles: true}));
}

element.addEventListener('click', (event) => {
  const act = event.target.closest('button[data-act]')?.dataset.act;
  const chip = event.target.closest('li')?.dataset;
  if (act === 'alone' || act === 'heat') trigger('look', {act, name: chip.name});
  else if (act) change(act, chip.text, '');
});
element.addEventListener('change', (event) => {
  change('rename', event.target.closest('li').dataset.text, event.target.value);
});
