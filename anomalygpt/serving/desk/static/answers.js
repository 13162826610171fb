// Gradio's server ends the stream of answers once everything that was asked is answered, and its
// client takes that for true without looking whether something was asked meanwhile: that would
// never be answered (gradio 6.31). So the end is passed on only when nothing is open; otherwise the
// stream goes on with a new one.
(() => {
  const send = window.fetch;
  const open = new Set(); // asked and not answered, by Gradio's name for each
  let asking = 0; // on their way to the server

  const ask = async (request, options) => {
    asking += 1;
    try {
      const response = await send(request, options);
      const {event_id} = response.ok ? await response.clone().json() : {};
      if (event_id) open.add(event_id);
      return response;
    } finally {
      asking -= 1;
    }
  };

  const told = (block) => {
    try {
      return JSON.parse(block.replace(/^data:/, ""));
    } catch {
      return {}; // not for us to judge
    }
  };

  const somethingIsOpen = async () => {
    while (asking) await new Promise((resolve) => setTimeout(resolve, 5));
    return open.size > 0;
  };

  // Pass the messages of one stream on; whether another has to follow.
  const pass = async (response, controller) => {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const {done, value} = await reader.read();
      if (done) {
        open.clear(); // the server broke off: these are lost, and the client says so
        return false;
      }
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const {msg, event_id} = told(block);
        if (msg === "process_completed") open.delete(event_id);
        if (msg === "close_stream" && (await somethingIsOpen())) return true;
        controller.enqueue(new TextEncoder().encode(block + "\n\n"));
        if (msg === "close_stream") return false;
      }
    }
  };

  const listen = async (request, options) => {
    const again = () => send(request instanceof Request ? request.clone() : request, options);
    const first = await again();
    if (!first.ok) return first;
    const body = new ReadableStream({
      async start(controller) {
        try {
          for (let next = first; await pass(next, controller); ) next = await again();
          controller.close();
        } catch (error) {
          controller.error(error);
        }
      },
    });
    return new Response(body, {status: first.status, headers: first.headers});
  };

  window.fetch = (request, options) => {
    const {pathname} = new URL(request.url ?? request, location.href);
    if (pathname.endsWith("/queue/join")) return ask(request, options);
    if (pathname.endsWith("/queue/data")) return listen(request, options);
    return send(request, options);
  };
})();
