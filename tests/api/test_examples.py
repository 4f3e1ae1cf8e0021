"""The requirement's examples on a running server: the JavaScript of a page, and Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from api.auth import Role
from tests.api import small_messenger as messenger
from tests.api.servers import Server
from tests.api.tokens import token

# Copied from the requirement; only the URL and the page's functions are added.
DASHBOARD_JS = """
const [base, authToken] = process.argv.slice(2);
const rendered = {};
const renderChart = (timeline) => { rendered.buckets = timeline.length; };

// Fetch 7-day dashboard
const response = await fetch(base + '/api/v1/messenger/analytics/dashboard?days=7', {
  headers: { 'Authorization': `Bearer ${authToken}` }
});

const dashboard = await response.json();

// Display metrics
console.log(`Total Messages: ${dashboard.message_stats.total_messages}`);
console.log(`Engagement Rate: ${dashboard.engagement_metrics.engagement_rate}%`);
console.log(`Active Users (24h): ${dashboard.active_users_24h.active_users}`);

// Render timeline chart
renderChart(dashboard.message_timeline);

// Display top senders
dashboard.top_senders.forEach(sender => {
  console.log(`${sender.username}: ${sender.message_count} messages`);
});
console.log(`${rendered.buckets} buckets`);
"""
TIMELINE_JS = """
const [base, token] = process.argv.slice(2);
class Chart { constructor(ctx, options) { this.data = options.data; } }
const ctx = null;

// Fetch daily timeline for last 30 days
const response = await fetch(
  base + '/api/v1/messenger/analytics/timeline?interval=daily&days=30',
  { headers: { 'Authorization': `Bearer ${token}` } }
);

const { timeline } = await response.json();

// Format for Chart.js
const chartData = {
  labels: timeline.map(d => new Date(d.timestamp).toLocaleDateString()),
  datasets: [{
    label: 'Messages',
    data: timeline.map(d => d.count),
    borderColor: 'rgb(75, 192, 192)',
    tension: 0.1
  }]
};

// Render chart
const chart = new Chart(ctx, {
  type: 'line',
  data: chartData,
  options: { responsive: true }
});
console.log(chart.data.datasets[0].data.reduce((a, b) => a + b, 0));
console.log(chart.data.labels.includes('Invalid Date'));
"""
ACTIVITY_PY = """
import json
import sys
from urllib.request import Request, urlopen

base, token, user = sys.argv[1:]

# Get user activity for last 30 days
request = Request(
    f"{base}/api/v1/messenger/analytics/user/{user}?days=30",
    headers={"Authorization": f"Bearer {token}"},
)
stats = json.load(urlopen(request))

print(f"Messages sent: {stats['messages_sent']}")
print(f"Average per day: {stats['avg_messages_per_day']}")
print(f"Active conversations: {stats['active_conversations']}")
"""


def lines_of(*command: str) -> list[str]:
    """The lines that a program prints."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_javascript_examples(small_server: Server, tmp_path: Path) -> None:
    """The page shows a member's dashboard, and its chart contains all messages."""
    bearer = token(Role.MEMBER, messenger.ALICE)
    for name, source in (("dashboard", DASHBOARD_JS), ("timeline", TIMELINE_JS)):
        (tmp_path / f"{name}.mjs").write_text(source)
    shown = lines_of("node", str(tmp_path / "dashboard.mjs"), small_server.url, bearer)
    assert shown[0] == "Total Messages: 11"
    assert shown[1] == "Engagement Rate: 100%"
    assert shown[3:6] == ["alice: 5 messages", "bob: 4 messages", "charlie: 2 messages"]
    assert shown[6] == "8 buckets"
    chart = lines_of("node", str(tmp_path / "timeline.mjs"), small_server.url, bearer)
    assert chart == ["11", "false"]


def test_the_python_example(small_server: Server) -> None:
    """The example prints the activity of a user."""
    bearer = token(Role.MEMBER, messenger.BOB)
    shown = lines_of(
        sys.executable, "-c", ACTIVITY_PY, small_server.url, bearer, str(messenger.ALICE)
    )
    assert shown == ["Messages sent: 5", "Average per day: 0.17", "Active conversations: 1"]
