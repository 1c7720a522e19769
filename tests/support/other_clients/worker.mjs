// The JavaScript client as a worker of its own: it sends mails, and makes offers.
// It takes tasks at once, and ends them as soon as the file GO exists.

import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const { Client, Variables } = await import(process.env.CLIENT);

const client = new Client({
  baseUrl: process.env.ENGINE_URL,
  workerId: process.env.WORKER_ID,
  maxTasks: Number(process.env.HOLDS),
  maxParallelExecutions: Number(process.env.HOLDS),
  interval: 20,
});

const handlers = {
  async "send-mail"({ task, taskService }) {
    const variables = new Variables().set("sentBy", `js for ${task.variables.get("address")}`);
    await taskService.complete(task, variables);
  },

  async "make-offer"({ task, taskService }) {
    const { amount, tags, from } = task.variables.getAll();
    if (amount < 0) {
      await taskService.handleFailure(task, { errorMessage: "no such amount", retries: 0, retryTimeout: 0 });
      return;
    }
    const variables = new Variables()
      .set("offer", { price: amount * 2, tags })
      .set("validUntil", new Date(new Date(from).getTime() + 86_400_000));
    await taskService.complete(task, variables);
  },
};

for (const topic of process.env.TOPICS.split(",")) {
  client.subscribe(topic, async ({ task, taskService }) => {
    console.log(`took ${task.businessKey}`);
    while (!existsSync(process.env.GO)) {
      await sleep(20);
    }
    await handlers[topic]({ task, taskService });
    console.log(`ended ${task.businessKey}`);
  });
}

client.once("poll:success", () => console.log("polls"));
client.on("poll:error", (error) => console.log("error", error.message));
client.on("handler:error", (error) => console.log("error", error.message));

process.on("SIGTERM", () => {
  client.stop();
  process.exit(0);
});
