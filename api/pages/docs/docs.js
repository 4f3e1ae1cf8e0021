/** Sends the request of a form, and shows the answer below it. */

const token = /** @type {HTMLInputElement} */ (document.getElementById("token"));

for (const form of document.forms) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const shown = /** @type {HTMLElement} */ (form.querySelector("pre"));
    shown.hidden = false;
    try {
      shown.textContent = await answerTo(urlOf(form));
    } catch (error) {
      shown.textContent = String(error);
    }
  });
}

/** @param {HTMLFormElement} form */
function urlOf(form) {
  let path = form.dataset.path ?? "";
  const query = new URLSearchParams();
  for (const { dataset, name, value } of form.querySelectorAll("input")) {
    if (dataset.in === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value !== "") query.set(name, value);
  }
  return (document.body.dataset.root ?? "") + path + (query.size > 0 ? `?${query}` : "");
}

/** @param {string} url */
async function answerTo(url) {
  const given = token.value.trim();
  const headers = given === "" ? undefined : { Authorization: `Bearer ${given}` };
  const answer = await fetch(url, { headers });
  return `${answer.status} ${answer.statusText}  ${url}\n\n${indented(await answer.text())}`;
}

/** @param {string} text */
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // CSV, or nothing
  }
}
