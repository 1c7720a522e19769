// What answers a form has the form in its history: a reload would send it again, and leads to a page instead.
history.replaceState(null, "", document.body.dataset.instead);
