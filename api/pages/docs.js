"use strict";

for (const form of document.forms) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let path = form.dataset.path;
    const query = new URLSearchParams();
    for (const input of form.querySelectorAll("input")) {
      if (input.dataset.in === "path") path = path.replace("{" + input.name + "}", encodeURIComponent(input.value));
      else if (input.value !== "") query.set(input.name, input.value);
    }
    const token = document.getElementById("token").value.trim();
    const url = document.body.dataset.root + path + (query.size ? "?" + query : "");
    const shown = form.querySelector("pre");
    shown.hidden = false;
    try {
      const answer = await fetch(url, { headers: token ? { Authorization: "Bearer " + token } : {} });
      const text = await answer.text();
      let pretty = text;
      try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* CSV, or an empty body */ }
      shown.textContent = answer.status + " " + answer.statusText + "  " + url + "\n\n" + pretty;
    } catch (error) {
      shown.textContent = String(error);
    }
  });
}
