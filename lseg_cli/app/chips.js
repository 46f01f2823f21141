// The chips: what is clicked or typed in one of them becomes the event 'edit', with the number of its label.
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-act]');
  if (button) trigger('edit', {act: button.dataset.act, index: Number(button.dataset.index), text: ''});
});
element.addEventListener('change', (event) => {
  if (!event.target.matches('input[data-index]')) return;
  trigger('edit', {act: 'rename', index: Number(event.target.dataset.index), text: event.target.value});
});
