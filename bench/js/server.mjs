// A contestant of the benchmark: external task handlers and the start call in one Node process.
// POST /start starts a process and answers when the engine has accepted the completion of its last step.
// A Map in memory has the waiting clients by business key.

import http from "node:http";
import { Client, Variables } from "camunda-external-task-client-js";

const engineUrl = new URL(process.env.ENGINE_URL);
const processKey = process.env.PROCESS_KEY;
const steps = ["s1", "s2", "s3", "s4", "s5"];
const lastStep = steps.at(-1);
const waiting = new Map();
const agent = new http.Agent({ keepAlive: true });

const client = new Client({
  baseUrl: process.env.ENGINE_URL,
  workerId: `bench-js-${process.pid}`,
  ...JSON.parse(process.env.CLIENT_OPTIONS || "{}"),
});

for (const step of steps) {
  client.subscribe(`${processKey}.${step}`, async ({ task, taskService }) => {
    if (processKey === "bench-wait") {
      await send(new URL("/wait", process.env.SLOW_URL), {});
    }
    if (step === lastStep) {
      await taskService.complete(task, new Variables().set("done", true));
    } else {
      await taskService.complete(task);
    }
  });
}

// TaskService reports outcomes by events: only a completion that the engine accepted may wake a client.
client.on("complete:success", (task) => {
  if (task.activityId === lastStep) {
    waiting.get(task.businessKey)?.({ status: "ok", result: { done: true } });
  }
});
client.on("complete:error", (task, error) => console.error("complete", task.id, error.message));
client.on("poll:error", (error) => console.error("poll", error.message));

const server = http.createServer(async (request, response) => {
  const body = await read(request);
  if (request.url !== "/start") {
    response.end("{}");
    return;
  }
  const { correlationId, variables } = JSON.parse(body);
  const ended = new Promise((resolve) => waiting.set(correlationId, resolve));
  try {
    await send(new URL(`${engineUrl.pathname}/process-definition/key/${processKey}/start`, engineUrl), {
      businessKey: correlationId,
      variables: typed(variables),
    });
    const answer = await ended;
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ ...answer, correlationId }));
  } catch (error) {
    response.statusCode = 500;
    response.end(JSON.stringify({ error: error.message }));
  } finally {
    waiting.delete(correlationId);
  }
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.env.PORT), "127.0.0.1");

process.on("SIGTERM", () => {
  client.stop();
  process.exit(0);
});

function typed(variables) {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, { value }]));
}

async function read(stream) {
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function send(url, document) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      url,
      { method: "POST", agent, headers: { "Content-Type": "application/json" } },
      async (response) => {
        const text = await read(response);
        if (response.statusCode < 300) {
          resolve(text);
        } else {
          reject(new Error(`${response.statusCode}: ${text.slice(0, 300)}`));
        }
      },
    );
    request.on("error", reject);
    request.end(JSON.stringify(document));
  });
}
