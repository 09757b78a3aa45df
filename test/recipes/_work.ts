/** What the routes of the apps in these folders answer with, and what their tasks do. Copied into each as work.ts. */

/** Half a second of CPU. */
export function burn(): void {
  for (const end = performance.now() + 500; performance.now() < end; );
  console.log('burnt')
}

/** Chunks over some turns of the event loop: a task that starts with the response, and not after it, holds them back. */
export function chunks(): ReadableStream<Uint8Array> {
  let count = 0
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      if (count++ < 20) controller.enqueue(new Uint8Array(1000))
      else controller.close()
    },
  })
}

/** A beginning without an end; where the URL says so, after a while in which nothing is answered. */
export async function waiting(url: string): Promise<ReadableStream> {
  console.log('waiting')
  if (url.endsWith('?long')) await new Promise((resolve) => setTimeout(resolve, 300))
  return new ReadableStream({
    start: (controller) => controller.enqueue(new Uint8Array(1000)),
  })
}
