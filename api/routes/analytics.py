"""The questions of the requirement, each under its documented path.

A controller's method says which parameters it takes and which question they make; nothing else.
"""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request
from litestar.di import NamedDependency

from api import answers, recipes
from api.answers import Format
from api.documents import read
from api.identity import Asker, Role, only_for
from api.ids import Id
from api.questions import Asked
from api.routes.answering import Answering, Reply
from api.routes.parameters import (
    Bots,
    ConversationFilter,
    ConversationPath,
    Every,
    Form,
    Hours,
    Interval,
    Limit50,
    Limit100,
    Pin,
    Ranking,
    SortBy,
    Tz,
    UserFilter,
    UserPath,
    id_of,
    only_known_parameters,
)
from api.windows import Period, known_zone

HttpRequest = Request[Asker, Any, Any]


def _viewer(request: HttpRequest) -> Id | None:
    asker: Asker = request.scope["user"]
    return asker.viewer


class AnalyticsController(Controller):
    """Reads of `/api/v1/messenger/analytics`."""

    path = "/"
    tags = ("analytics",)
    guards = (only_for(Role.ADMIN, Role.MEMBER), only_known_parameters)

    @read(
        "/dashboard", recipes.DASHBOARD, summary="Everything a dashboard shows, of one generation"
    )
    async def dashboard(
        self,
        request: HttpRequest,
        answering: NamedDependency[Answering],
        period_90: NamedDependency[Period],
        tz: Tz = "UTC",
        include_bots: Bots = True,
        generation: Pin = None,
    ) -> Reply[answers.Dashboard]:
        """Message statistics, engagement, who was active, the top five, and a daily timeline."""
        asked = Asked(
            subject=recipes.DASHBOARD,
            viewer=_viewer(request),
            period=period_90,
            include_bots=include_bots,
            parameters={"tz": tz},
        )
        return await answering.reply(request, asked, generation)

    @read("/messages", recipes.MESSAGES, summary="Message statistics")
    async def messages(
        self,
        request: HttpRequest,
        answering: NamedDependency[Answering],
        period_365: NamedDependency[Period],
        conversation_id: ConversationFilter = None,
        user_id_filter: UserFilter = None,
        include_bots: Bots = True,
        generation: Pin = None,
    ) -> Reply[answers.Messages]:
        """How many messages, of which types, by how many people, how long."""
        asked = Asked(
            subject=recipes.MESSAGES,
            viewer=_viewer(request),
            period=period_365,
            include_bots=include_bots,
            parameters=_filters(conversation_id, user_id_filter),
        )
        return await answering.reply(request, asked, generation)

    @read("/timeline", recipes.TIMELINE, summary="Messages over time")
    async def timeline(
        self,
        request: HttpRequest,
        answering: NamedDependency[Answering],
        period_365: NamedDependency[Period],
        interval: Interval = Every.DAILY,
        conversation_id: ConversationFilter = None,
        user_id_filter: UserFilter = None,
        tz: Tz = "UTC",
        include_bots: Bots = True,
        generation: Pin = None,
        form: Form = Format.JSON,
    ) -> Reply[answers.Timeline]:
        """How many messages in each hour, day, week or month, without a gap."""
        asked = Asked(
            subject=recipes.TIMELINE,
            viewer=_viewer(request),
            period=period_365,
            include_bots=include_bots,
            parameters={
                "interval": interval.value,
                "tz": tz,
                **_filters(conversation_id, user_id_filter),
            },
            form=form,
        )
        return await answering.reply(request, asked, generation)

    @read("/top-senders", recipes.TOP_SENDERS, summary="Who wrote the most")
    async def top_senders(
        self,
        request: HttpRequest,
        answering: NamedDependency[Answering],
        period_365: NamedDependency[Period],
        conversation_id: ConversationFilter = None,
        limit: Limit100 = 10,
        include_bots: Bots = True,
        generation: Pin = None,
        form: Form = Format.JSON,
    ) -> Reply[answers.TopSenders]:
        """The people who wrote the most messages."""
        asked = Asked(
            subject=recipes.TOP_SENDERS,
            viewer=_viewer(request),
            period=period_365,
            include_bots=include_bots,
            parameters={"limit": limit, **_filters(conversation_id, None)},
            form=form,
        )
        return await answering.reply(request, asked, generation)

    @read("/user/{user_id:str}", recipes.USER, summary="What one person did")
    async def user(
        self,
        request: HttpRequest,
        answering: NamedDependency[Answering],
        user_id: UserPath,
        period_365: NamedDependency[Period],
        include_bots: Bots = True,
        generation: Pin = None,
    ) -> Reply[answers.UserActivity]:
        """What somebody wrote and read, and where."""
        asked = Asked(
            subject=recipes.USER,
            viewer=_viewer(request),
            period=period_365,
            include_bots=include_bots,
            parameters={"user_id": id_of("user_id", "user", user_id)},
        )
        return await answering.reply(request, asked, generation)

    @read("/engagement", recipes.ENGAGEMENT, summary="Which share of the people wrote")
    async def engagement(
        self,
        request: HttpRequest,
        answering: NamedDependency[Answering],
        period_90: NamedDependency[Period],
        include_bots: Bots = True,
        generation: Pin = None,
    ) -> Reply[answers.Engagement]:
        """How many people there are, and which share of them wrote once, or five times."""
        asked = Asked(
            subject=recipes.ENGAGEMENT,
            viewer=_viewer(request),
            period=period_90,
            include_bots=include_bots,
        )
        return await answering.reply(request, asked, generation)

    @read("/active-users", recipes.ACTIVE_USERS, summary="Who was active in the last hours")
    async def active_users(
        self,
        request: HttpRequest,
        answering: NamedDependency[Answering],
        hours: Hours = 24,
        tz: Tz = "UTC",
        include_bots: Bots = True,
        generation: Pin = None,
    ) -> Reply[answers.ActiveUsers]:
        """How many people wrote, read, or did one of both, in the hours before `timestamp`."""
        known_zone(tz)
        asked = Asked(
            subject=recipes.ACTIVE_USERS,
            viewer=_viewer(request),
            include_bots=include_bots,
            parameters={"hours": hours},
        )
        return await answering.reply(request, asked, generation)

    @read("/conversation/{conversation_id:str}", recipes.CONVERSATION, summary="One conversation")
    async def conversation(
        self,
        request: HttpRequest,
        answering: NamedDependency[Answering],
        conversation_id: ConversationPath,
        tz: Tz = "UTC",
        include_bots: Bots = True,
        generation: Pin = None,
    ) -> Reply[answers.Conversation]:
        """Who takes part in a conversation, and how much is written in it."""
        known_zone(tz)
        asked = Asked(
            subject=recipes.CONVERSATION,
            viewer=_viewer(request),
            include_bots=include_bots,
            parameters=_filters(conversation_id, None),
        )
        return await answering.reply(request, asked, generation)

    @read("/top-conversations", recipes.TOP_CONVERSATIONS, summary="The liveliest conversations")
    async def top_conversations(
        self,
        request: HttpRequest,
        answering: NamedDependency[Answering],
        period_365: NamedDependency[Period],
        limit: Limit50 = 10,
        sort_by: SortBy = Ranking.MESSAGES,
        include_bots: Bots = True,
        generation: Pin = None,
        form: Form = Format.JSON,
    ) -> Reply[answers.TopConversations]:
        """The conversations with the most messages, people, or messages per person."""
        asked = Asked(
            subject=recipes.TOP_CONVERSATIONS,
            viewer=_viewer(request),
            period=period_365,
            include_bots=include_bots,
            parameters={"limit": limit, "sort_by": sort_by.value},
            form=form,
        )
        return await answering.reply(request, asked, generation)

    @read("/events/counts", recipes.EVENT_COUNTS, summary="Events by type", tags=("events",))
    async def event_counts(
        self,
        request: HttpRequest,
        answering: NamedDependency[Answering],
        period_365: NamedDependency[Period],
        include_bots: Bots = True,
        generation: Pin = None,
        form: Form = Format.JSON,
    ) -> Reply[answers.EventCounts]:
        """How many events of which type happened."""
        asked = Asked(
            subject=recipes.EVENT_COUNTS,
            viewer=_viewer(request),
            period=period_365,
            include_bots=include_bots,
            form=form,
        )
        return await answering.reply(request, asked, generation)

    @read("/events/timeline", recipes.EVENT_TIMELINE, summary="Events over time", tags=("events",))
    async def event_timeline(
        self,
        request: HttpRequest,
        answering: NamedDependency[Answering],
        period_365: NamedDependency[Period],
        interval: Interval = Every.DAILY,
        tz: Tz = "UTC",
        include_bots: Bots = True,
        generation: Pin = None,
        form: Form = Format.JSON,
    ) -> Reply[answers.EventTimeline]:
        """How many events of each type in each hour, day, week or month."""
        asked = Asked(
            subject=recipes.EVENT_TIMELINE,
            viewer=_viewer(request),
            period=period_365,
            include_bots=include_bots,
            parameters={"interval": interval.value, "tz": tz},
            form=form,
        )
        return await answering.reply(request, asked, generation)


def _filters(conversation: str | None, user: str | None) -> dict[str, Id]:
    """The ids that narrow a question down, in their one form; those that were not given are not."""
    given = {
        "conversation_id": id_of("conversation_id", "conversation", conversation),
        "user_id_filter": id_of("user_id_filter", "user", user),
    }
    return {name: value for name, value in given.items() if value is not None}
