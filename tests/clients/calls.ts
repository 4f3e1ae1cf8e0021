// Calls every operation with a client generated for TypeScript, and prints what each returned:
//     node calls.js URL TOKEN USER CONVERSATION
import { client } from './generated/client.gen';
import * as api from './generated/sdk.gen';

async function main(): Promise<void> {
  const [baseUrl, auth, user_id, conversation_id] = process.argv.slice(2) as [string, string, string, string];
  client.setConfig({ baseUrl, auth });
  const event = { event_type: 'user.online', user_id: Number(user_id) } as const;
  const answers = {
    activeUsers: await api.activeUsers({ query: { hours: 48 } }),
    conversation: await api.conversation({ path: { conversation_id } }),
    dashboard: await api.dashboard({ query: { days: 7 } }),
    engagement: await api.engagement({ query: { include_bots: false } }),
    eventCounts: await api.eventCounts(),
    eventTimeline: await api.eventTimeline({ query: { interval: 'weekly' } }),
    messages: await api.messages({ query: { conversation_id } }),
    readThrough: await api.readThrough(),
    timeline: await api.timeline({ query: { tz: 'Europe/Berlin' } }),
    topConversations: await api.topConversations({ query: { sort_by: 'activity' } }),
    topSenders: await api.topSenders({ query: { limit: 1, ids: 'text' } }),
    unread: await api.unread({ path: { user_id } }),
    user: await api.user({ path: { user_id } }),
    postEvents: await api.postEvents({ body: [event, event] }),
    recentEvents: await api.recentEvents(),
    live: await api.live(),
    ready: await api.ready(),
  };
  // Each of these is a compile error if the document says something else, or an operation is missing.
  const _: Record<keyof typeof api, unknown> = answers;
  const total: number | undefined = answers.messages.data?.total_messages;
  const accepted: number | undefined = answers.postEvents.data?.accepted;
  const detail: string | undefined = answers.unread.error?.detail;
  const sender: string | number | undefined = answers.topSenders.data?.top_senders[0]?.user_id;
  const statuses = Object.fromEntries(
    Object.entries(answers).map(([name, answer]) => [name, answer.response?.status]),
  );
  console.log(JSON.stringify({ statuses, total, accepted, detail, sender }));
}

void main();
