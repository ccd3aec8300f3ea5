// Says that the server does not answer while it does not, and takes it back by itself: htmx goes on asking.
addEventListener("DOMContentLoaded", () => {
  const sign = document.getElementById("connection");
  if (!sign) return;
  const lost = () => { sign.hidden = false; };
  document.body.addEventListener("htmx:sendError", lost);
  document.body.addEventListener("htmx:timeout", lost);
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr.status;
    if (status >= 500) lost();
    else if (status > 0) sign.hidden = true;
  });
});
