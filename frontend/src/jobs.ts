/** The page of jobs: keeps the list current while something is under way, and sends an extract. */

import { byId } from './dom';

const LOOK_MS = 2000;
const list = document.getElementById('jobs');

/** Put the list as the server has it now in the place of the one that is shown, unless somebody is at one of its buttons. */
async function look(): Promise<void> {
  if (list === null || list.contains(document.activeElement)) return;
  try {
    const answer = await fetch('/jobs', { headers: { accept: 'text/html' } });
    if (!answer.ok || answer.redirected) return;
    const newer = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('jobs');
    if (newer === null) return;
    list.replaceChildren(...newer.childNodes);
    list.dataset['busy'] = newer.dataset['busy'] ?? 'no';
  } catch {
    // The server is away for a moment; the next look finds it.
  }
}

setInterval(() => {
  if (list?.dataset['busy'] === 'yes' && !document.hidden) void look();
}, LOOK_MS);

const form = document.getElementById('send');
if (form instanceof HTMLFormElement) {
  form.hidden = false;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void send(form);
  });
}

/** Send the file as it is: nothing of it is read here. */
async function send(from: HTMLFormElement): Promise<void> {
  const file = byId<HTMLInputElement>('extract').files?.[0];
  const table = byId<HTMLSelectElement>('table').value;
  const said = byId('sent');
  if (file === undefined) return;
  said.textContent = `Sending ${file.name} …`;
  const query = new URLSearchParams({ name: file.name, ...(table === '' ? {} : { table }) });
  try {
    const answer = await fetch(`/api/extracts?${query}`, { method: 'POST', body: file, headers: { 'x-form-token': from.dataset['token'] ?? '' } });
    if (answer.ok) {
      said.textContent = `${file.name} has come, and is imported when its turn comes.`;
      from.reset();
    } else {
      const problem = (await answer.json()) as { detail: string; problems: string[] };
      said.textContent = [problem.detail, ...problem.problems].join(' ');
    }
  } catch {
    said.textContent = `${file.name} did not reach the server. Try again in a moment.`;
  }
  await look();
}
