// The answer to a form: change the URL in the history, because a reload would send the form again.
history.replaceState(null, "", document.body.dataset.instead);
