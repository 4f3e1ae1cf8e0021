// Calls every operation with a client generated for TypeScript, and prints what each returned:
//     node calls.js URL TOKEN USER CONVERSATION
import { client } from './generated/client.gen';
import * as api from './generated/sdk.gen';

async function main(): Promise<void> {
  const [baseUrl, auth, user_id, conversation_id] = process.argv.slice(2) as [string, string, string, string];
  client.setConfig({ baseUrl, auth });
  const event = { event_type: 'user.online', user_id: Number(user_id) } as const;
  const thing = { path: { thing_id: crypto.randomUUID() } };
  const answers = {
    putThing: await api.putThing({
      ...thing,
      headers: { 'If-None-Match': '*' },
      body: { kind: 'view', name: 'This week', state: { days: '7' } },
    }),
    keptThings: await api.keptThings(),
    keptThing: await api.keptThing(thing),
    keptTemplates: await api.keptTemplates(),
    deleteThing: await api.deleteThing({ ...thing, headers: { 'If-Match': '"1"' } }),
    activeUsers: await api.activeUsers({ query: { hours: 48 } }),
    batch: await api.batch({ query: { ask: ['/messages?days=7', '/user/none'] } }),
    catalog: await api.catalog(),
    conversation: await api.conversation({ path: { conversation_id } }),
    dashboard: await api.dashboard({ query: { days: 7 } }),
    engagement: await api.engagement({ query: { include_bots: false } }),
    eventCounts: await api.eventCounts(),
    eventTimeline: await api.eventTimeline({ query: { interval: 'weekly' } }),
    generation: await api.generation(),
    messages: await api.messages({ query: { conversation_id, days: 2, compare: 'previous' } }),
    activation: await api.activation({ query: { days: 90 } }),
    activeTimeline: await api.activeTimeline({ query: { tz: 'Asia/Kathmandu' } }),
    lifecycle: await api.lifecycle({ query: { interval: 'daily' } }),
    peopleHeatmap: await api.peopleHeatmap({ query: { days: 7 } }),
    retention: await api.retention({ query: { interval: 'monthly' } }),
    concentration: await api.concentration({ query: { days: 7 } }),
    conversationMix: await api.conversationMix({ query: { interval: 'weekly' } }),
    membership: await api.membership({ query: { interval: 'monthly' } }),
    messageHeatmap: await api.messageHeatmap({ query: { tz: 'Asia/Kathmandu' } }),
    readRate: await api.readRate({ query: { days: 90 } }),
    readThrough: await api.readThrough(),
    replyConversations: await api.replyConversations({ query: { limit: 5 } }),
    replyTimeline: await api.replyTimeline({ query: { interval: 'monthly' } }),
    replyTimes: await api.replyTimes({ query: { conversation_id } }),
    responseMatrix: await api.responseMatrix({ path: { conversation_id } }),
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
  // The answer of the stream does not end.
  const _: Record<Exclude<keyof typeof api, 'stream'>, unknown> = answers;
  const total: number | undefined = answers.messages.data?.total_messages;
  const earlier: number | undefined = answers.messages.data?.compared?.total_messages;
  const accepted: number | undefined = answers.postEvents.data?.accepted;
  const detail: string | undefined = answers.unread.error?.detail;
  const sender: string | number | undefined = answers.topSenders.data?.top_senders[0]?.user_id;
  const second: number | undefined = answers.batch.data?.answers[1]?.status;
  const statement: string | undefined = answers.catalog.data?.metrics[0]?.statement;
  const kept: string | undefined = answers.keptThing.data?.name;
  const statuses = Object.fromEntries(
    Object.entries(answers).map(([name, answer]) => [name, answer.response?.status]),
  );
  console.log(JSON.stringify({ statuses, total, earlier, accepted, detail, sender, second, statement, kept }));
}

void main();
